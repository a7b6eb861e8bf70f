/** The files that a training stored: sizes, times, previews and downloads. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { apiUrl, fetchJson } from "../api/client";
import type { ResultFile, ResultFiles, TextPreview } from "../api/types";
import { onDownloadClick } from "../shared/airflowNavigation";
import { formatBytes, formatExactTime } from "../shared/format";
import { usePolling } from "../shared/usePolling";

/** Files that the list shows until the user requests all of them. */
const FIRST_FILES = 20;

/** Milliseconds after which a request that failed is repeated. */
const RETRY_INTERVAL = 10_000;

export function ResultList({ query }: { query: Record<string, string> }): JSX.Element {
  const [isWhole, setIsWhole] = useState(false);
  const [previewed, setPreviewed] = useState<string | null>(null);
  const { data, error } = usePolling<ResultFiles>({
    key: JSON.stringify(query),
    fetchData: (_, signal) => fetchJson<ResultFiles>("results", query, signal),
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  if (data === null)
    return (
      <p class="quiet" role="status">
        {error ?? "Loading …"}
      </p>
    );
  if (data.files.length === 0) return <p class="quiet">The training has stored no files.</p>;
  const files = isWhole ? data.files : data.files.slice(0, FIRST_FILES);
  return (
    <>
      <div class="result-box" tabIndex={0} role="group" aria-label="Files of the results">
        <table class="plain results">
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Size</th>
              <th scope="col">Stored</th>
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {files.map((file) => (
              <ResultRow
                key={file.name}
                file={file}
                query={{ ...query, name: file.name }}
                isPreviewed={previewed === file.name}
                onPreview={() => setPreviewed(previewed === file.name ? null : file.name)}
              />
            ))}
          </tbody>
        </table>
      </div>
      {files.length < data.files.length && (
        <button type="button" onClick={() => setIsWhole(true)}>
          Show all {data.files.length} files
        </button>
      )}
      {data.truncated && (
        <p class="quiet">
          There are more files than the list has: airflow-dlaas download {data.container} --prefix {data.location}
        </p>
      )}
    </>
  );
}

interface RowProps {
  file: ResultFile;
  query: Record<string, string>;
  isPreviewed: boolean;
  onPreview: () => void;
}

function ResultRow({ file, query, isPreviewed, onPreview }: RowProps): JSX.Element {
  const baseName = file.name.split("/").pop() ?? file.name;
  return (
    <>
      <tr>
        <th scope="row">{file.name}</th>
        <td class="number">{formatBytes(file.size)}</td>
        <td>{formatExactTime(file.modified_at)}</td>
        <td>
          <a
            href={apiUrl("results/download", query)}
            download={baseName}
            onClick={onDownloadClick}
            aria-label={`Download ${file.name}`}
          >
            Download
          </a>{" "}
          {file.preview !== null && (
            <button
              type="button"
              class="small"
              aria-expanded={isPreviewed}
              aria-label={`${isPreviewed ? "Close the preview of" : "Preview"} ${file.name}`}
              onClick={onPreview}
            >
              {isPreviewed ? "Close" : "Preview"}
            </button>
          )}
        </td>
      </tr>
      {isPreviewed && (
        <tr>
          <td colSpan={4}>
            {file.preview === "image" ? (
              <img class="preview" src={apiUrl("results/download", { ...query, inline: "1" })} alt={file.name} />
            ) : (
              <TextBox query={query} name={file.name} />
            )}
          </td>
        </tr>
      )}
    </>
  );
}

function TextBox({ query, name }: { query: Record<string, string>; name: string }): JSX.Element {
  const [preview, setPreview] = useState<TextPreview | string | null>(null);
  useEffect(() => {
    const control = new AbortController();
    fetchJson<TextPreview>("results/preview", query, control.signal).then(setPreview, (failure: Error) => {
      if (!control.signal.aborted) setPreview(failure.message);
    });
    return () => control.abort();
  }, [name]);
  if (preview === null || typeof preview === "string") return <p role="status">{preview ?? "Loading …"}</p>;
  return (
    <>
      <pre class="preview" tabIndex={0} role="group" aria-label={`Beginning of ${name}`}>
        {preview.text}
      </pre>
      {preview.truncated && <p class="quiet">This is the beginning; download the file for the rest.</p>}
    </>
  );
}
