import { expect, test } from "vitest";

import { concurrencyLimiter } from "./concurrencyLimiter";

test("concurrencyLimiter runs at most the given number of functions, and runs all of them", async () => {
  const pass = concurrencyLimiter(2);
  const ends: (() => void)[] = [];
  let [inside, most] = [0, 0];
  const works = [1, 2, 3, 4, 5].map((value) =>
    pass(async () => {
      most = Math.max(most, (inside += 1));
      await new Promise<void>((end) => ends.push(end));
      inside -= 1;
      return value;
    }),
  );
  for (let done = 0; done < works.length; done += 1) {
    ends.shift()?.();
    await works[done];
    await Promise.resolve();
  }
  expect(await Promise.all(works)).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

test("a function that fails frees its place", async () => {
  const pass = concurrencyLimiter(1);
  const fails = pass(() => Promise.reject(new Error("gone")));
  const next = pass(() => Promise.resolve("in"));
  await expect(fails).rejects.toThrow("gone");
  expect(await next).toBe("in");
});

test("a function that comes while a place is passed on waits too", async () => {
  const pass = concurrencyLimiter(1);
  let [inside, most] = [0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, (inside += 1));
    await Promise.resolve();
    inside -= 1;
  };
  const first = pass(work);
  const second = pass(work);
  const late = first.then(() => Promise.all([pass(work), pass(work)]));
  await Promise.all([first, second, late]);
  expect(most).toBe(1);
});
