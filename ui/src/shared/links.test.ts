import { expect, test } from "vitest";

import { airflowRoot, dagTabUrl, airflowAddress, runTabUrl, taskUrl, trainingUrl, withFragment } from "../shared/links";

const ref = { dag_id: "my dag", run_id: "scheduled__2026-11-25T02:00:00+00:00", task_id: "train", map_index: -1 };

test("URLs of the tabs follow Airflow's routes, with and without a map index", () => {
  const run = "/dags/my%20dag/runs/scheduled__2026-11-25T02%3A00%3A00%2B00%3A00";
  expect(taskUrl("", ref)).toBe(`${run}/tasks/train/plugin/dlaas-training`);
  expect(taskUrl("/af", { ...ref, map_index: 0 })).toBe(`/af${run}/tasks/train/mapped/0/plugin/dlaas-training`);
  expect(runTabUrl("", ref)).toBe(`${run}/plugin/dlaas-run`);
  expect(dagTabUrl("/af", "my dag")).toBe("/af/dags/my%20dag/plugin/dlaas-dag");
});

test("a permanent link names the training beside the task", () => {
  expect(trainingUrl("", { ...ref, run_id: "r" }, "training-a&b")).toBe(
    "/dags/my%20dag/runs/r/tasks/train/plugin/dlaas-training?training_id=training-a%26b",
  );
});

test("airflowRoot returns the path under which Airflow is served", () => {
  expect(airflowRoot("/dlaas/run")).toBe("");
  expect(airflowRoot("/teams/one/dlaas/run")).toBe("/teams/one");
});

test("airflowAddress contains the filters on the page that Airflow shows by its own path, and is null elsewhere", () => {
  const own = "/dlaas/trainings?state=open";
  expect(airflowAddress("/plugin/dlaas-trainings", own)).toBe(`/plugin/dlaas-trainings${own}`);
  expect(airflowAddress("/plugin/dlaas-trainings/dlaas/trainings", own)).toBe(`/plugin/dlaas-trainings${own}`);
  expect(airflowAddress("/somewhere/else", own)).toBeNull();
  expect(airflowAddress("/plugin/dlaas-trainings", "/dlaas/dag?dag_id=d")).toBeNull();
});

test("airflowAddress has the settings of a tab in its fragment, which can't name another DAG", () => {
  const tab = "/dags/d/plugin/dlaas-dag";
  expect(airflowAddress(tab, "/dlaas/dag?dag_id=d")).toBe(tab);
  const address = airflowAddress(tab, "/dlaas/dag?dag_id=d&metric=val+loss&q=rate%3D0.1");
  expect(address).toBe(`${tab}#metric=val+loss&q=rate%3D0.1`);
  const read = withFragment(new URLSearchParams("dag_id=d"), `${address?.replace(/^.*#/, "#")}&dag_id=secret`);
  expect(Object.fromEntries(read)).toEqual({ dag_id: "d", metric: "val loss", q: "rate=0.1" });
});
