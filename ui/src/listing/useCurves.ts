/** The curves of chosen trainings, kept up to date for those that run. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Curves, Outline } from "../api";
import { get } from "./core";
import { type Gate, gate } from "./gate";
import { keyOf } from "./outline";
import { due, failed, type Known, learned } from "./overlay";

/** Milliseconds between two rounds of questions; longer and longer, up to a minute, while there is trouble. */
const PAUSE = 5_000;
const LONGEST = 60_000;

/** Points a curve is drawn with: as many as a narrow chart can show. */
const POINTS = 400;

/** A browser opens six connections to a server; this leaves some for the listing. */
const AT_ONCE = 4;

type Everything = ReadonlyMap<string, Known>;

export function useCurves(chosen: readonly Outline[]): Everything {
  const [known, setKnown] = useState<Everything>(new Map());
  const latest = useRef({ chosen, known });
  latest.current = { chosen, known };
  const through = useRef<Gate>(gate(AT_ONCE)).current;
  const keys = chosen.map(keyOf).join(" ");
  useEffect(() => {
    const control = new AbortController();
    const show = (news: Everything): void => {
      if (news.size > 0 && !control.signal.aborted) setKnown((before) => new Map([...before, ...news]));
    };
    /** Ask for one; what is news of a curve that is shown already goes to *later*, so that a round draws once. */
    const learn = async (one: Outline, later: Map<string, Known>): Promise<void> => {
      const key = keyOf(one);
      const before = latest.current.known.get(key);
      const answer = await through(() => asked(one, before, control.signal));
      if (before === undefined) show(new Map([[key, answer]]));
      else if (answer !== before) later.set(key, answer);
    };
    const round = async (): Promise<void> => {
      const { chosen, known } = latest.current;
      const trouble = chosen.some((one) => known.get(keyOf(one))?.trouble);
      pause = trouble ? Math.min(pause * 2, LONGEST) : PAUSE;
      if (!document.hidden) {
        const later = new Map<string, Known>();
        await Promise.all(chosen.filter((one) => due(one, known.get(keyOf(one)))).map((one) => learn(one, later)));
        show(later);
      }
      if (!control.signal.aborted) timer = window.setTimeout(() => void round(), pause);
    };
    let [timer, pause] = [0, PAUSE];
    void round();
    return () => {
      control.abort();
      window.clearTimeout(timer);
    };
  }, [keys]);
  return known;
}

/** One question, and what is known after it; a failure is knowledge, too. */
async function asked(one: Outline, known: Known | undefined, signal: AbortSignal): Promise<Known> {
  const unless: Record<string, string> = known?.version ? { unless: known.version } : {};
  const query = { ...refQuery(one), training_id: one.id ?? "", points: String(POINTS), ...unless };
  try {
    return learned(one, known, await get<Curves>("curves", query, signal));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return failed(known, error.message);
  }
}

function refQuery({ ref }: Outline): Record<string, string> {
  return { dag_id: ref.dag_id, run_id: ref.run_id, task_id: ref.task_id, map_index: String(ref.map_index) };
}
