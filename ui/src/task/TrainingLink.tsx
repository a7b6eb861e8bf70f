/** The id of another training: a link where it is another try of the same task. */

import type { JSX } from "preact";

import type { TaskResponse } from "../api/types";
import { onAirflowLinkClick } from "../shared/airflowNavigation";
import { airflowRoot, trainingUrl } from "../shared/links";

/** What the tab knows of the task's other trainings. */
export interface OtherTries {
  view: TaskResponse;
  onChooseTry: (id: string) => void;
}

export function TrainingLink({ id, view, onChooseTry }: OtherTries & { id: string }): JSX.Element {
  if (view.tries.every((one) => one.id !== id)) return <span class="task-id">{id}</span>;
  return (
    <a
      class="task-id"
      href={trainingUrl(airflowRoot(window.location.pathname), view.ref, id)}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return onAirflowLinkClick(event);
        event.preventDefault();
        onChooseTry(id);
      }}
      onAuxClick={onAirflowLinkClick}
    >
      {id}
    </a>
  );
}
