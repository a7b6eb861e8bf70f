/** The frame of every list page: title, errors, and a sentence where the list is empty. */

import type { ComponentChildren, JSX } from "preact";

import type { TrainingListItem } from "../api/types";
import { permanentLink } from "../shared/airflowNavigation";
import { CopyButton } from "../shared/CopyButton";
import { NarrowFrameLink } from "../task/NarrowFrameLink";
import type { ListingState } from "./useListing";

interface Props {
  title: string;
  listing: ListingState;
  /** The sentence in place of an empty list. */
  emptyText: string;
  children: (trainings: readonly TrainingListItem[]) => ComponentChildren;
}

export function ListPage({ title, listing, emptyText, children }: Props): JSX.Element {
  const { trainings, errors } = listing;
  return (
    <div class="listing">
      <NarrowFrameLink />
      <header class="listing-head">
        <h1>{title}</h1>
        <CopyButton text={permanentLink} label="Copy link to what the page shows now">
          Copy link
        </CopyButton>
      </header>
      <div role="status">
        {errors.map((error) => (
          <p key={error} class="listing-error">
            <span aria-hidden="true">⚠</span> {error}
          </p>
        ))}
      </div>
      {trainings === null ? (
        errors.length === 0 && <p>Loading …</p>
      ) : trainings.length === 0 ? (
        <p>{emptyText}</p>
      ) : (
        children(trainings)
      )}
    </div>
  );
}
