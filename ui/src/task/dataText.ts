/** The training data of a training as texts. */

import type { DataSourceReport, LoadProgress, SourceComparison } from "../api/types";
import { formatBytes, formatDuration } from "../shared/format";

const filesText = (files: number): string => `${files} ${files === 1 ? "file" : "files"}`;

/** "3.0 GiB of 12.0 GiB, 25 of 100 files · 210.0 MiB/s · 42 s left". */
export function loadingText({
  files,
  total_files,
  bytes,
  total_bytes,
  bytes_per_second,
  seconds_left,
}: LoadProgress): string {
  return [
    `${formatBytes(bytes)} of ${formatBytes(total_bytes)}, ${files} of ${filesText(total_files)}`,
    bytes_per_second == null ? null : `${formatBytes(bytes_per_second)}/s`,
    seconds_left == null ? null : `${formatDuration(seconds_left * 1000)} left`,
  ]
    .filter((one) => one !== null)
    .join(" · ");
}

/** The share that is loaded, from 0 to 1. */
export const loadedShare = ({ bytes, total_bytes, files, total_files }: LoadProgress): number =>
  total_bytes > 0 ? bytes / total_bytes : total_files > 0 ? files / total_files : 0;

/** "images", or "images/train" where only a prefix was read. */
export const sourceName = ({ name, prefix }: { name: string; prefix?: string | null }): string =>
  prefix ? `${name}/${prefix}` : name;

/** "100 files, 12.0 GiB"; "mounted, not counted" for a folder that was not read in advance. */
export function sourceSize({ files, bytes }: DataSourceReport): string {
  return files == null ? "mounted, not counted" : `${filesText(files)}, ${formatBytes(bytes ?? 0)}`;
}

/** "75 files, 9.0 GiB"; "all" or "nothing" where that is so; a dash where no cache counts. */
export function cachedText({ files, cached_files, cached_bytes }: DataSourceReport): string {
  if (cached_files == null || files == null) return "–";
  if (cached_files === 0) return "nothing";
  return cached_files === files ? "all" : `${filesText(cached_files)}, ${formatBytes(cached_bytes ?? 0)}`;
}

/** The first digits of "sha256:…"; they are enough to see that two versions differ. */
export const shortVersion = (version: string): string => version.replace(/^sha256:/, "").slice(0, 12);

/** "3 added, 1 removed, 2 changed", "the same", "only in this training". */
export function comparisonText(source: SourceComparison): string {
  if (source.only_in !== null) return `only in ${source.only_in === "this" ? "this" : "the other"} training`;
  if (source.equal) return "the same";
  const counts: [number, string][] = [
    [source.added_total, "added"],
    [source.removed_total, "removed"],
    [source.changed_total, "changed"],
  ];
  return counts
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(", ");
}
