/** The curves of chosen trainings laid over each other, one metric at a time. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import type { Outline } from "../api";
import { formatNumber } from "./core";
import { TaskLink } from "./cells";
import { mainMetric } from "./columns";
import { keyOf, parametersIn, runLabel, taskLabel } from "./outline";
import { curveNames, type Known, seriesName } from "./overlay";
import { OverlayChart } from "./OverlayChart";
import { Swatch } from "./Swatch";
import { useCurves } from "./useCurves";

interface Props {
  /** In the order of the table; at most 20. */
  chosen: readonly Outline[];
  /** Which colour each has. */
  slots: ReadonlyMap<string, number>;
  /** The parameters that tell them apart. */
  differing: readonly string[];
  /** What the table judges by; shown first where there are curves of it. */
  preferred: string | null;
  pointed: string | null;
  onPoint: (key: string | null) => void;
  /** Whether the run, too, is needed to tell them apart. */
  withRun?: boolean;
}

export function Compare(props: Props): JSX.Element {
  const { chosen, slots, differing, preferred, pointed, onPoint } = props;
  const known = useCurves(chosen);
  const [wanted, setWanted] = useState<string | null>(null);
  const names = useMemo(() => curveNames(chosen, known), [chosen, known]);
  const metric = [wanted, preferred].find((name) => name !== null && names.includes(name)) ?? mainMetric(names);
  const label = (one: Outline): string => (props.withRun ? `${runLabel(one.ref.run_id)} ` : "") + taskLabel(one.ref);
  const lines = useMemo(
    () =>
      chosen.map((one) => {
        const found = known.get(keyOf(one))?.series.find((series) => seriesName(series) === metric);
        const key = keyOf(one);
        return { key, label: label(one), slot: slots.get(key) ?? 0, points: found?.points ?? [] };
      }),
    [chosen, known, metric, slots],
  );
  return (
    <section class="listing-compare" aria-labelledby="curves">
      <h2 id="curves">Curves</h2>
      {metric === null ? (
        <p>{emptiness(chosen, known)}</p>
      ) : (
        <>
          <div class="listing-controls">
            <label>
              Curves of{" "}
              <select value={metric} onChange={(event) => setWanted(event.currentTarget.value)}>
                {names.map((name) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          </div>
          <OverlayChart metric={metric} lines={lines} pointed={pointed} />
        </>
      )}
      <ul class="listing-legend">
        {chosen.map((one) => {
          const key = keyOf(one);
          const value = metric === null ? undefined : lines.find((line) => line.key === key)?.points.at(-1)?.[1];
          return (
            <li
              key={key}
              class={pointed === key ? "listing-pointed" : undefined}
              onMouseEnter={() => onPoint(key)}
              onMouseLeave={() => onPoint(null)}
            >
              <Swatch slot={slots.get(key)} />
              {props.withRun && `${runLabel(one.ref.run_id)} `}
              <TaskLink to={one.ref} /> <span class="listing-muted">{parametersIn(one, differing)}</span>{" "}
              <b>{value === undefined ? silence(one, known.get(key)) : formatNumber(value)}</b>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function emptiness(chosen: readonly Outline[], known: ReadonlyMap<string, Known>): string {
  if (chosen.length === 0) return "Choose trainings in the table to see their curves.";
  if (chosen.some((one) => !known.has(keyOf(one)))) return "Reading the curves …";
  return "None of these trainings has said a metric yet.";
}

/** Why a training has no value here. */
function silence(one: Outline, known: Known | undefined): string {
  if (one.id === null) return "not submitted";
  if (known === undefined) return "…";
  return known.trouble ?? "no curve of this metric";
}
