/** All trainings of a DAG run, for comparison. */

import type { JSX } from "preact";

import { ListPage } from "../listing/ListPage";
import { runLabel } from "../listing/trainingFields";
import { SweepComparison } from "../listing/SweepComparison";
import { useListing } from "../listing/useListing";
import { useSettings } from "../listing/useSettings";

export function RunPage({ query }: { query: URLSearchParams }): JSX.Element {
  const [dag_id, run_id] = [query.get("dag_id") ?? "", query.get("run_id") ?? ""];
  const settings = useSettings(query);
  const listing = useListing("run", { dag_id, run_id });
  return (
    <ListPage
      title={`Trainings of ${runLabel(run_id)}`}
      listing={listing}
      emptyText="No task of this run has submitted a training yet."
    >
      {(trainings) => <SweepComparison trainings={trainings} now={listing.updatedAt} settings={settings} />}
    </ListPage>
  );
}
