import { expect, test } from "vitest";

import { resourceLines } from "./resourceText";

const MIB = 1024 ** 2;
const requested = { gpus: 0, cpus: null, memory: 64 * MIB, shared_memory: null };

test("resourceLines names what was requested, given, used and enforced", () => {
  expect(
    resourceLines({
      resource_type: "0 GPUs, 64MiB memory",
      errors: [],
      resources: {
        requested,
        given: { ...requested, cpus: 1 },
        used: { gpus: null, cpus: 0.52, memory: 40 * MIB, shared_memory: null },
        enforced: ["cpus", "shared_memory"],
        enforced_by: "cgroup v1",
      },
    }),
  ).toEqual([
    "requested: 0 GPUs, 64.0 MiB memory",
    "given: 0 GPUs, 1 CPU, 64.0 MiB memory",
    "used: 0.52 CPUs, 40.0 MiB memory",
    "enforced: cpus, shared memory (cgroup v1)",
  ]);
});

test("resourceLines names memory as the cause of a failure", () => {
  const used = { gpus: null, cpus: null, memory: 64 * MIB, shared_memory: null };
  const resources = { requested, given: null, used, enforced: [], enforced_by: null };
  expect(resourceLines({ resource_type: "", errors: [{ code: "C204", message: "" }], resources })).toEqual([
    "requested: 0 GPUs, 64.0 MiB memory",
    "used: 64.0 MiB memory (memory ran out)",
  ]);
});

test("resourceLines has the size alone where the service reports nothing else", () => {
  expect(resourceLines({ resource_type: "small", errors: [], resources: null })).toEqual(["small"]);
});
