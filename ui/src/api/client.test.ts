import { expect, test } from "vitest";

import { errorDetail } from "./client";

test("errorDetail returns the detail of Airflow's JSON", () => {
  expect(errorDetail(403, '{"detail": "Forbidden"}')).toBe("Forbidden");
});

test("errorDetail shows control characters as escapes", () => {
  expect(errorDetail(404, '{"detail": "no \\u001b[2J"}')).toBe("no \\x1b[2J");
});

test.each(["<html>Bad gateway</html>", "", "null", '{"detail": [{"msg": "too long"}]}'])(
  "errorDetail names the status where the body %j has no sentence",
  (body) => expect(errorDetail(502, body)).toBe("Airflow answered with status 502."),
);
