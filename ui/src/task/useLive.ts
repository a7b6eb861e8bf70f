/** An answer that stays fresh. */

import { useEffect, useRef, useState } from "preact/hooks";

/** Milliseconds: the longest pause while there is trouble. */
const LONGEST = 30_000;

export interface Live<T> {
  /** The newest answer there was. */
  answer: T | null;
  /** Why there is none newer. */
  trouble: string | null;
  again: () => void;
}

/**
 * Ask again and again, *every* milliseconds after the last answer, until *over* says that no more will come. Never two
 * questions at once; none while the page is hidden; longer pauses while there is trouble.
 */
export function useLive<T>(
  ask: (before: T | null, signal: AbortSignal) => Promise<T>,
  key: string,
  every: number,
  over: (answer: T) => boolean,
): Live<T> {
  const [live, setLive] = useState<{ answer: T | null; trouble: string | null }>({ answer: null, trouble: null });
  const latest = useRef({ ask, over, live });
  latest.current = { ask, over, live };
  const [turn, setTurn] = useState(0);
  const asked = useRef(key);
  useEffect(() => setLive({ answer: null, trouble: null }), [key]);
  useEffect(() => {
    const control = new AbortController();
    let timer = 0;
    let pause = every;
    let before: T | null = asked.current === key ? latest.current.live.answer : null; // another key's is no news of this
    asked.current = key;
    const round = async (): Promise<void> => {
      let done = false;
      if (!document.hidden) {
        try {
          const answer = await latest.current.ask(before, control.signal);
          if (control.signal.aborted) return;
          before = answer;
          pause = every;
          done = latest.current.over(answer);
          setLive({ answer, trouble: null });
        } catch (error) {
          if (control.signal.aborted || !(error instanceof Error)) return;
          const trouble = error instanceof TypeError ? "Airflow can't be reached; it is asked again." : error.message;
          pause = Math.min(pause * 2, LONGEST);
          setLive((last) => ({ answer: last.answer, trouble }));
        }
      }
      if (!done && !control.signal.aborted) timer = window.setTimeout(() => void round(), pause);
    };
    const seen = (): void => {
      if (document.hidden || timer === 0) return;
      window.clearTimeout(timer);
      timer = 0;
      void round();
    };
    document.addEventListener("visibilitychange", seen);
    void round();
    return () => {
      control.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, every, turn]);
  return { ...live, again: () => setTurn((one) => one + 1) };
}
