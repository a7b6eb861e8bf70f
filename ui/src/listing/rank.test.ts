import { expect, test } from "vitest";

import { keyOf } from "./outline";
import { bestFew, MOST, ranked, toggled } from "./rank";
import { anOutline } from "./samples";

const scored = (id: string | null, loss?: number) => anOutline({ id, metrics: loss === undefined ? {} : { loss } });

test("the best comes first, and what has no value last", () => {
  const ids = ranked([scored("none"), scored("bad", 2), scored("good", 1)], "loss", "down").map((one) => one.id);
  expect(ids).toEqual(["good", "bad", "none"]);
});

test("the best few are chosen, of those that have a training", () => {
  const all = [scored("bad", 3), scored("good", 1), scored(null), scored("fair", 2)];
  expect(bestFew(all, "loss", "down", 2)).toEqual(
    new Set(all.filter((one) => /good|fair/.test(one.id ?? "")).map(keyOf)),
  );
  expect(bestFew(all, null, "up").size).toBe(3);
});

test("choosing goes up to a limit, and undoing always works", () => {
  const full = new Set(Array.from({ length: MOST }, (_, index) => String(index)));
  expect(toggled(full, "one more")).toBe(full);
  expect(toggled(full, "0").size).toBe(MOST - 1);
  expect([...toggled(new Set(), "a")]).toEqual(["a"]);
});
