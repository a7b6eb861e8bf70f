/** A link to this page without Airflow around it, where Airflow's window leaves it too little room. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { onAirflowLinkClick, onWindowResize, standaloneUrl, visibleFrameWidth } from "../shared/airflowNavigation";
import { TRAINING_PARAMETER } from "../shared/links";

/** Pixels: the page fits into a window of this width. */
const MIN_WIDTH = 340;

/** Airflow's list of runs has a fixed width and pushes the tab out of a narrow window, where it can't be read. */
export function NarrowFrameLink(): JSX.Element | null {
  const [width, setWidth] = useState(visibleFrameWidth);
  useEffect(() => onWindowResize(() => setWidth(visibleFrameWidth())), []);
  if (width === null || width >= MIN_WIDTH) return null;
  return (
    <a
      class="narrow-frame"
      href={standaloneUrl(TRAINING_PARAMETER)}
      style={{ maxWidth: `${Math.max(width - 16, 40)}px` }}
      onClick={onAirflowLinkClick}
      onAuxClick={onAirflowLinkClick}
    >
      Open as a full page
    </a>
  );
}
