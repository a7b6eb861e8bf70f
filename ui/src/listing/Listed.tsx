/** What every list page has around its list: title, trouble, and a sentence where there is nothing. */

import type { ComponentChildren, JSX } from "preact";

import type { Outline } from "../api";
import type { Fresh } from "./useListing";

interface Props {
  title: string;
  fresh: Fresh;
  /** What an empty list means. */
  empty: string;
  children: (trainings: readonly Outline[]) => ComponentChildren;
}

export function Listed({ title, fresh, empty, children }: Props): JSX.Element {
  const { trainings, trouble } = fresh;
  return (
    <div class="listing">
      <h1>{title}</h1>
      <div role="status">
        {trouble.map((sentence) => (
          <p key={sentence} class="listing-trouble">
            <span aria-hidden="true">⚠</span> {sentence}
          </p>
        ))}
      </div>
      {trainings === null ? (
        trouble.length === 0 && <p>Loading …</p>
      ) : trainings.length === 0 ? (
        <p>{empty}</p>
      ) : (
        children(trainings)
      )}
    </div>
  );
}
