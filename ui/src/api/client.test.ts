import { expect, test } from "vitest";

import { errorDetail } from "./client";

test("errorDetail returns the detail of Airflow's JSON", () => {
  expect(errorDetail(403, '{"detail": "Forbidden"}')).toBe("Forbidden");
});

test.each(["<html>Bad gateway</html>", "", "null", '{"detail": [{"msg": "too long"}]}'])(
  "errorDetail names the status where the body %j has no sentence",
  (body) => expect(errorDetail(502, body)).toBe("Airflow answered with status 502."),
);
