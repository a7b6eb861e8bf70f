import { expect, test } from "vitest";

import { addTags, MAX_TAG_LENGTH, MAX_TAGS, tagsError } from "./tags";

test("addTags separates tags by commas and adds each once", () => {
  expect(addTags(["best"], " baseline , best,, two words ")).toEqual(["best", "baseline", "two words"]);
});

test("tagsError reports a tag that is too long, and too many tags", () => {
  const tags = Array.from({ length: MAX_TAGS }, (_, number) => `tag ${number}`);
  expect(tagsError(tags)).toBeNull();
  expect(tagsError([...tags, "one more"])).toContain(`at most ${MAX_TAGS} tags`);
  expect(tagsError(["a".repeat(MAX_TAG_LENGTH)])).toBeNull();
  expect(tagsError(["a".repeat(MAX_TAG_LENGTH + 1)])).toContain("characters");
});
