/** The resources of a training as text. */

import type { ResourceAmounts, TrainingDetail } from "../api/types";
import { formatBytes } from "../shared/format";

type Training = Pick<TrainingDetail, "resource_type" | "resources" | "errors">;

const OUT_OF_MEMORY = "C204";

/** Requested, given, used and enforced resources, a line each; the size alone where the service reports nothing else. */
export function resourceLines({ resource_type, resources, errors }: Training): string[] {
  if (resources === null) return [resource_type];
  const { requested, given, used, enforced, enforced_by } = resources;
  const isOutOfMemory = errors.some((one) => one.code === OUT_OF_MEMORY);
  const lines = [`requested: ${amountsText(requested)}`];
  if (given && amountsText(given) !== amountsText(requested)) lines.push(`given: ${amountsText(given)}`);
  if (used && amountsText(used)) lines.push(`used: ${amountsText(used)}${isOutOfMemory ? " (memory ran out)" : ""}`);
  else if (isOutOfMemory) lines.push("memory ran out");
  if (enforced_by) {
    const names = (enforced ?? []).map((name) => name.replace("_", " ")).join(", ");
    lines.push(`enforced: ${names || "no limit"} (${enforced_by})`);
  }
  return lines;
}

function amountsText({ gpus, cpus, memory, shared_memory }: ResourceAmounts): string {
  return [
    gpus == null ? null : countText(gpus, "GPU"),
    cpus == null ? null : countText(cpus, "CPU"),
    memory == null ? null : `${formatBytes(memory)} memory`,
    shared_memory == null ? null : `${formatBytes(shared_memory)} shared memory`,
  ]
    .filter((part) => part !== null)
    .join(", ");
}

const countText = (number: number, unit: string): string => `${number} ${unit}${number === 1 ? "" : "s"}`;
