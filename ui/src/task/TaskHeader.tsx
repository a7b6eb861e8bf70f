/** The head of the page: the training's name, state and id, its links, the choice of a try, and the button to cancel. */

import type { JSX } from "preact";

import type { TaskResponse, TrainingDetail } from "../api/types";
import { isFramed, onAirflowLinkClick, standaloneUrl } from "../shared/airflowNavigation";
import { CopyButton } from "../shared/CopyButton";
import { formatExactTime } from "../shared/format";
import { airflowRoot, TRAINING_PARAMETER, trainingUrl } from "../shared/links";
import { StateBadge } from "../shared/StateBadge";
import { attemptText } from "./attempts";
import { CancelButton } from "./CancelButton";
import { TrainingLink } from "./TrainingLink";

interface Props {
  view: TaskResponse;
  training: TrainingDetail;
  isFinal: boolean;
  onChooseTry: (id: string) => void;
  refresh: () => void;
}

export function TaskHeader({ view, training, isFinal, onChooseTry, refresh }: Props): JSX.Element {
  const { id, cancel_requested, waits_for } = training;
  const attempt = attemptText(training);
  const mayCancel = !isFinal && !cancel_requested && view.may_edit && training.source === "service";
  return (
    <header class="task-head">
      <h1>{training.name}</h1>
      <StateBadge state={training.state} id={id} />
      {!isFinal && training.phase && <span class="quiet">{training.phase}</span>}
      {attempt && <span class="quiet">{attempt}</span>}
      {waits_for !== null && (
        <span class="quiet">
          waits for <TrainingLink id={waits_for} view={view} onChooseTry={onChooseTry} />
        </span>
      )}
      {id !== null && (
        <span>
          <span class="task-id">{id}</span>{" "}
          <CopyButton text={id} label="Copy id of the training">
            Copy id
          </CopyButton>{" "}
          <CopyButton text={permanentLink(training, id)} label="Copy link to this training, also after further tries">
            Copy link
          </CopyButton>
        </span>
      )}
      <span class="grow" />
      {view.tries.length > 1 && (
        <label>
          Try{" "}
          <select value={id ?? ""} onChange={(event) => onChooseTry(event.currentTarget.value)}>
            {view.tries.map((one, index) => (
              <option key={one.id} value={one.id}>
                {view.tries.length - index}: {one.state}, {formatExactTime(one.submitted_at)}
              </option>
            ))}
          </select>
        </label>
      )}
      {!isFinal && cancel_requested && <span role="status">Cancel requested</span>}
      {mayCancel && id !== null && <CancelButton taskRef={training.ref} trainingId={id} onCanceled={refresh} />}
      {id !== null && <OtherWindowLink training={training} id={id} />}
    </header>
  );
}

function permanentLink(training: TrainingDetail, id: string): string {
  return window.location.origin + trainingUrl(airflowRoot(window.location.pathname), training.ref, id);
}

/** In Airflow, the link to this page by itself; elsewhere, the link to Airflow's page of the task. */
function OtherWindowLink({ training, id }: { training: TrainingDetail; id: string }): JSX.Element {
  if (!isFramed()) return <a href={permanentLink(training, id)}>Open in Airflow</a>;
  return (
    <a href={standaloneUrl(TRAINING_PARAMETER)} onClick={onAirflowLinkClick} onAuxClick={onAirflowLinkClick}>
      Full page
    </a>
  );
}
