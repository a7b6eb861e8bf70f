/** All trainings of a DAG run side by side: what a sweep is looked at with. */

import type { JSX } from "preact";

import { Listed } from "../listing/Listed";
import { runLabel } from "../listing/outline";
import { Sweep } from "../listing/Sweep";
import { useListing } from "../listing/useListing";

export function Run({ query }: { query: URLSearchParams }): JSX.Element {
  const [dag_id, run_id] = [query.get("dag_id") ?? "", query.get("run_id") ?? ""];
  const fresh = useListing("run", { dag_id, run_id });
  return (
    <Listed
      title={`Trainings of ${runLabel(run_id)}`}
      fresh={fresh}
      empty="No task of this run has submitted a training yet."
    >
      {(trainings) => <Sweep trainings={trainings} now={fresh.now} />}
    </Listed>
  );
}
