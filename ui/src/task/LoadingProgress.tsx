/** How much of the training data is loaded. */

import type { JSX } from "preact";

import type { LoadProgress } from "../api/types";
import { loadedShare, loadingText } from "./dataText";

export function LoadingProgress({ loading }: { loading: LoadProgress | null }): JSX.Element | null {
  if (loading === null) return null;
  return (
    <p class="loading-data">
      <label>
        Loading the training data: <progress value={loadedShare(loading)} max={1} /> {loadingText(loading)}
      </label>
    </p>
  );
}
