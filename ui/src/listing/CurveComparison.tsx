/** The curves of selected trainings in one chart, for one metric. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { TrainingListItem } from "../api/types";
import { formatNumber } from "../shared/format";
import { toNumber } from "../shared/metricNumber";
import { TaskLink } from "./trainingColumns";
import { defaultMetric } from "./columnNames";
import { trainingKey, formatParameters, runLabel, taskLabel } from "./trainingFields";
import { commonAxis, divergenceText, placePoints } from "./curveAxis";
import { curveName, curveNames, curveOfMetric, type CurveState } from "./curveState";
import { OverlayChart } from "./OverlayChart";
import { ColourSwatch } from "./ColourSwatch";
import { useCurves } from "./useCurves";

interface Props {
  /** In the order of the table; at most 20. */
  trainings: readonly TrainingListItem[];
  /** The colour slot of each, by its key. */
  slots: ReadonlyMap<string, number>;
  /** The parameters in which the trainings differ. */
  differing: readonly string[];
  /** The metric of the table; shown first where there are curves of it. */
  preferredMetric: string | null;
  highlighted: string | null;
  onHighlight: (key: string | null) => void;
  /** Whether labels name the run, because the trainings are of several runs. */
  withRun?: boolean;
}

export function CurveComparison(props: Props): JSX.Element {
  const { trainings, slots, differing, preferredMetric, highlighted, onHighlight } = props;
  const states = useCurves(trainings);
  const [chosenMetric, setChosenMetric] = useState<string | null>(null);
  const names = useMemo(() => curveNames(trainings, states), [trainings, states]);
  const metric =
    names.find(({ name }) => name === chosenMetric)?.name ??
    curveOfMetric(preferredMetric ?? "", names) ??
    defaultMetric(names);
  const label = ({ ref }: TrainingListItem): string =>
    (props.withRun ? `${runLabel(ref.run_id)} ` : "") + taskLabel(ref);
  const { axis, lines } = useMemo(() => {
    const curves = trainings.map((training) =>
      states.get(trainingKey(training))?.series.find((series) => curveName(series) === metric),
    );
    const axis = commonAxis(curves.filter((curve) => curve !== undefined));
    const lines = trainings.map((training, index) => {
      const key = trainingKey(training);
      const points = placePoints(curves[index]?.points ?? [], axis, training);
      return { key, label: label(training), slot: slots.get(key) ?? 0, points };
    });
    return { axis, lines };
  }, [trainings, states, metric, slots]);
  return (
    <section class="listing-compare" aria-labelledby="curves">
      <h2 id="curves">Curves</h2>
      {metric === null ? (
        <p>{emptyText(trainings, states)}</p>
      ) : (
        <>
          <div class="listing-controls">
            <label>
              Curves of{" "}
              <select value={metric} onChange={(event) => setChosenMetric(event.currentTarget.value)}>
                {names.map(({ name }) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <OverlayChart metric={metric} axis={axis} lines={lines} highlighted={highlighted} />
        </>
      )}
      <ul class="listing-legend">
        {trainings.map((training) => {
          const key = trainingKey(training);
          const points = lines.find((line) => line.key === key)?.points ?? [];
          const value = points.at(-1)?.[1];
          const divergence = divergenceText(points, axis);
          return (
            <li
              key={key}
              class={highlighted === key ? "listing-highlighted" : undefined}
              onMouseEnter={() => onHighlight(key)}
              onMouseLeave={() => onHighlight(null)}
            >
              <ColourSwatch slot={slots.get(key)} />
              {props.withRun && `${runLabel(training.ref.run_id)} `}
              <TaskLink taskRef={training.ref} />{" "}
              <span class="listing-muted">{formatParameters(training, differing)}</span>{" "}
              <b>{value === undefined ? missingValueText(training, states.get(key)) : formatNumber(toNumber(value))}</b>
              {divergence !== null && ` (${divergence})`}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function emptyText(trainings: readonly TrainingListItem[], states: ReadonlyMap<string, CurveState>): string {
  if (trainings.length === 0) return "Select trainings in the table to see their curves.";
  if (trainings.some((training) => !states.has(trainingKey(training)))) return "Loading …";
  const error = trainings.map((training) => states.get(trainingKey(training))?.error).find(Boolean);
  return error ? `It is not known whether these trainings have metrics. ${error}` : "These trainings have no metrics yet.";
}

/** Why a training has no value of the metric. */
function missingValueText(training: TrainingListItem, state: CurveState | undefined): string {
  if (training.id === null) return "not submitted";
  if (state === undefined) return "…";
  return state.error ?? "no curve of this metric";
}
