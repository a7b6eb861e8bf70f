/** The link that saves the whole log; the results have it also after the service has deleted the training. */

import type { JSX } from "preact";

import { apiUrl } from "../api/client";
import { onDownloadClick } from "../shared/airflowNavigation";

export function LogDownload({ query }: { query: Record<string, string> }): JSX.Element {
  return (
    <a href={apiUrl("log/download", query)} download={`${query["training_id"] ?? "log"}.log`} onClick={onDownloadClick}>
      Download log
    </a>
  );
}
