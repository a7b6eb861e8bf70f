/** One training of a task: its state, facts, curves, results and log. */

import type { JSX } from "preact";

import { fetchJson } from "../api/client";
import type { CurvesResponse, TaskResponse, TrainingDetail } from "../api/types";
import { usePolling } from "../shared/usePolling";
import { adviceFor } from "./advice";
import { AnnotationEditor } from "./AnnotationEditor";
import { attemptStarts } from "./attemptMarks";
import { earlierTrainingId } from "./attempts";
import { AttemptTable } from "./AttemptTable";
import { DataSection } from "./DataSection";
import { FailureBanner } from "./FailureBanner";
import { LoadingProgress } from "./LoadingProgress";
import { LogDownload } from "./LogDownload";
import { LogView } from "./LogView";
import { MetricCharts } from "./MetricCharts";
import { ResultList } from "./ResultList";
import { isFinalState, POLL_INTERVAL } from "./taskState";
import { TaskHeader } from "./TaskHeader";
import { PhaseTimeline } from "./PhaseTimeline";
import { TrainingFacts } from "./TrainingFacts";
import { UsageCharts } from "./UsageCharts";
import { useEarlierCurves } from "./useEarlierCurves";

/** Points of each curve: about one for each pixel of a wide chart. */
const POINTS_PER_CURVE = "1000";

interface Props {
  view: TaskResponse;
  training: TrainingDetail;
  onChooseTry: (id: string) => void;
  refresh: () => void;
  query: Record<string, string>;
}

export function TrainingView({ view, training, onChooseTry, refresh, query }: Props): JSX.Element {
  const isFinal = isFinalState(training.state);
  const curves = usePolling<CurvesResponse>({
    key: JSON.stringify(query),
    fetchData: async (previous, signal) => {
      const unless: Record<string, string> = previous ? { unless: previous.version } : {};
      const response = await fetchJson<CurvesResponse>(
        "curves",
        { ...query, points: POINTS_PER_CURVE, ...unless },
        signal,
      );
      return { ...response, series: response.series ?? previous?.series ?? [] };
    },
    interval: () => POLL_INTERVAL,
    isDone: (response) => response.complete,
  });
  const earlier = useEarlierCurves(query, earlierTrainingId(training));
  const starts = attemptStarts(training.attempts);
  const begin = training.attempts[0]?.started_at ?? training.running_at ?? training.submitted_at;
  const start = begin === null ? null : Date.parse(begin) / 1000;
  const isCurrent = view.tries.every((one) => one.id !== training.id || one.current);
  const advice = isCurrent ? adviceFor(view.task, training) : null;
  const isFromService = training.source === "service";
  return (
    <>
      <TaskHeader view={view} training={training} isFinal={isFinal} onChooseTry={onChooseTry} refresh={refresh} />
      {!isFromService && (
        <p class="notice">
          The service does not return this training now. The page shows the summary that the task stored.
        </p>
      )}
      {training.state === "error" && <FailureBanner training={training} query={query} />}
      {advice && <p class="notice advice">{advice}</p>}
      {training.warnings.length > 0 && (
        <ul class="notice" role="status" aria-label="Warnings">
          {training.warnings.map((warning) => (
            <li key={warning}>{warning}</li>
          ))}
        </ul>
      )}
      <AnnotationEditor
        key={training.id}
        training={training}
        mayEdit={view.may_edit && view.annotations && isFromService}
        onSaved={refresh}
      />
      <PhaseTimeline phases={training.phases} now={Date.now()} />
      <LoadingProgress loading={training.loading} />
      <TrainingFacts training={training} now={Date.now()} view={view} onChooseTry={onChooseTry} />
      <AttemptTable training={training} now={Date.now()} view={view} onChooseTry={onChooseTry} />
      <section aria-labelledby="metrics-title">
        <h2 id="metrics-title">Metrics</h2>
        {curves.error && (
          <p class="notice" role="status">
            {curves.error}
          </p>
        )}
        {curves.data && (
          <MetricCharts
            series={curves.data.series ?? []}
            earlier={earlier}
            attempts={starts}
            start={start}
            isComplete={isFinal && curves.data.complete}
          />
        )}
      </section>
      <UsageCharts query={query} start={start} attempts={starts} />
      <DataSection key={`data ${training.id}`} training={training} query={query} />
      {isFinal && training.results !== null && (
        <section aria-labelledby="results-title">
          <h2 id="results-title">Results</h2>
          <ResultList key={training.id} query={query} />
          {!isFromService && <LogDownload query={query} />}
        </section>
      )}
      {isFromService && (
        <section aria-labelledby="log-title">
          <h2 id="log-title">Log</h2>
          <LogView key={training.id} query={query} isFinal={isFinal} />
        </section>
      )}
      <ParameterTable parameters={training.parameters} />
      <details>
        <summary>Training definition</summary>
        <pre tabIndex={0}>{JSON.stringify(training.definition, null, 2)}</pre>
      </details>
    </>
  );
}

function ParameterTable({ parameters }: { parameters: Record<string, string> }): JSX.Element | null {
  const rows = Object.entries(parameters);
  if (rows.length === 0) return null;
  return (
    <>
      <h2>Parameters</h2>
      <table class="plain">
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
