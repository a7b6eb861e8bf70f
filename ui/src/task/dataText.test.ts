import { expect, test } from "vitest";

import type { DataSourceReport, SourceComparison } from "../api/types";
import {
  cachedText,
  comparisonText,
  loadedShare,
  loadingText,
  shortVersion,
  sourceName,
  sourceSize,
} from "./dataText";

const SOURCE: DataSourceReport = { name: "images", type: "s3", folder: "", files: 4, bytes: 4096 };

const SAME: SourceComparison = {
  name: "images",
  prefix: "",
  equal: true,
  only_in: null,
  added: [],
  removed: [],
  changed: [],
  added_total: 0,
  removed_total: 0,
  changed_total: 0,
};

test("progress has amount, rate and time left, as far as they are known", () => {
  const progress = { files: 1, total_files: 4, bytes: 1024, total_bytes: 4096 };
  expect(loadingText(progress)).toBe("1.0 KiB of 4.0 KiB, 1 of 4 files");
  expect(loadingText({ ...progress, bytes_per_second: 512, seconds_left: 6 })).toBe(
    "1.0 KiB of 4.0 KiB, 1 of 4 files · 512 B/s · 6 s left",
  );
  expect(loadedShare(progress)).toBe(0.25);
});

test("share of empty files is counted in files", () => {
  expect(loadedShare({ files: 1, total_files: 2, bytes: 0, total_bytes: 0 })).toBe(0.5);
  expect(loadedShare({ files: 0, total_files: 0, bytes: 0, total_bytes: 0 })).toBe(0);
});

test("source has its prefix and its size, a mounted folder has none", () => {
  expect(sourceName(SOURCE)).toBe("images");
  expect(sourceName({ ...SOURCE, prefix: "train" })).toBe("images/train");
  expect(sourceSize(SOURCE)).toBe("4 files, 4.0 KiB");
  expect(sourceSize({ ...SOURCE, files: null, bytes: null })).toBe("mounted, not counted");
});

test("share of the cache is all, nothing or a number", () => {
  expect(cachedText(SOURCE)).toBe("–");
  expect(cachedText({ ...SOURCE, cached_files: 0, cached_bytes: 0 })).toBe("nothing");
  expect(cachedText({ ...SOURCE, cached_files: 4, cached_bytes: 4096 })).toBe("all");
  expect(cachedText({ ...SOURCE, cached_files: 1, cached_bytes: 1024 })).toBe("1 file, 1.0 KiB");
});

test("version is shortened", () => {
  expect(shortVersion(`sha256:${"ab".repeat(32)}`)).toBe("abababababab");
});

test("comparison counts the differences", () => {
  expect(comparisonText(SAME)).toBe("the same");
  expect(comparisonText({ ...SAME, equal: false, added_total: 3, changed_total: 1 })).toBe("3 added, 1 changed");
  expect(comparisonText({ ...SAME, equal: false, only_in: "other" })).toBe("only in the other training");
});
