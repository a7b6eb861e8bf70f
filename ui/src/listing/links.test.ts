import { expect, test } from "vitest";

import { airflowRoot, dagPage, outerAddress, runPage, taskPage } from "./links";

const ref = { dag_id: "my dag", run_id: "scheduled__2026-11-25T02:00:00+00:00", task_id: "train", map_index: -1 };

test("our tabs are found at Airflow's own address, mapped or not", () => {
  const run = "/dags/my%20dag/runs/scheduled__2026-11-25T02%3A00%3A00%2B00%3A00";
  expect(taskPage("", ref)).toBe(`${run}/tasks/train/plugin/dlaas-training`);
  expect(taskPage("/af", { ...ref, map_index: 0 })).toBe(`/af${run}/tasks/train/mapped/0/plugin/dlaas-training`);
  expect(runPage("", ref)).toBe(`${run}/plugin/dlaas-run`);
  expect(dagPage("/af", "my dag")).toBe("/af/dags/my%20dag/plugin/dlaas-dag");
});

test("Airflow may be served under a path of its own", () => {
  expect(airflowRoot("/dlaas/run")).toBe("");
  expect(airflowRoot("/teams/one/dlaas/run")).toBe("/teams/one");
});

test("Airflow's address bar can hold our filters where we are a page of its own", () => {
  const own = "/dlaas/trainings?state=open";
  expect(outerAddress("/plugin/dlaas-trainings", own)).toBe(`/plugin/dlaas-trainings${own}`);
  expect(outerAddress("/plugin/dlaas-trainings/dlaas/trainings", own)).toBe(`/plugin/dlaas-trainings${own}`);
  expect(outerAddress("/somewhere/else", own)).toBeNull();
  expect(outerAddress("/dags/d/plugin/dlaas-dag", "/dlaas/dag?dag_id=d")).toBeNull();
});
