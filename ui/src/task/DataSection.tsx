/** The training data that a training read: its sources, their objects, and the comparison with another training. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { DataObjects, DataReport, DataSourceReport, TrainingDetail } from "../api/types";
import { CopyButton } from "../shared/CopyButton";
import { formatBytes } from "../shared/format";
import { usePolling } from "../shared/usePolling";
import { DataComparisonView } from "./DataComparisonView";
import { cachedText, shortVersion, sourceName, sourceSize } from "./dataText";
import { isFinalState } from "./taskState";

/** Milliseconds after which a request that failed is repeated. */
const RETRY_INTERVAL = 10_000;

interface Props {
  training: TrainingDetail;
  query: Record<string, string>;
}

export function DataSection({ training, query }: Props): JSX.Element | null {
  const [isOpen, setIsOpen] = useState(false);
  const { data } = training;
  if (data === null || data.sources.length === 0) return null;
  const hasManifest = isFinalState(training.state) && training.results !== null && data.manifest != null;
  return (
    <section aria-labelledby="data-title">
      <h2 id="data-title">Training data</h2>
      <SourceTable data={data} />
      {hasManifest && (
        <>
          <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
            <summary>Objects that were read</summary>
            {isOpen && <ObjectTables query={query} />}
          </details>
          <DataComparisonView training={training} query={query} />
        </>
      )}
    </section>
  );
}

function SourceTable({ data }: { data: DataReport }): JSX.Element {
  return (
    <div class="attempt-box" role="region" aria-labelledby="data-title" tabIndex={0}>
      <table class="plain attempts">
        <thead>
          <tr>
            {["Source", "Folder", "Size", "From the cache", "Version"].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.sources.map((source, index) => (
            <tr key={index}>
              <th scope="row">{sourceName(source)}</th>
              <td>{source.folder || "DATA_DIR"}</td>
              <td>{sourceSize(source)}</td>
              <td>{cachedText(source)}</td>
              <td>
                <Version source={source} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Version({ source }: { source: DataSourceReport }): JSX.Element {
  if (source.version == null) return <>–</>;
  return (
    <>
      <code title={source.version}>{shortVersion(source.version)}</code>{" "}
      <CopyButton text={source.version} label={`Copy the version of ${sourceName(source)}`}>
        Copy
      </CopyButton>
    </>
  );
}

function ObjectTables({ query }: { query: Record<string, string> }): JSX.Element {
  const { data, error } = usePolling<DataObjects>({
    key: JSON.stringify(query),
    fetchData: (_, signal) => fetchJson<DataObjects>("data", query, signal),
    interval: () => RETRY_INTERVAL,
    isDone: () => true,
  });
  if (data === null)
    return (
      <p class="quiet" role="status">
        {error ?? "Loading …"}
      </p>
    );
  return (
    <>
      {data.sources.map((source, index) => (
        <div key={index} class="result-box" tabIndex={0} role="group" aria-label={`Objects of ${source.name}`}>
          <table class="plain results">
            <thead>
              <tr>
                <th scope="col">{source.name}</th>
                <th scope="col">Size</th>
                <th scope="col">Digest</th>
              </tr>
            </thead>
            <tbody>
              {source.objects.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td class="number">{formatBytes(one.size)}</td>
                  <td>
                    <code>{one.digest}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {source.objects.length < source.total && (
            <p class="quiet">
              The first {source.objects.length} of {source.total} objects; training-data.json in the results has all.
            </p>
          )}
        </div>
      ))}
    </>
  );
}
