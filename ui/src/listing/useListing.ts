/** A listing that stays fresh: asked for every few seconds while something goes on, seldom otherwise. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Listing, Outline } from "../api";
import { get } from "./core";
import { kept } from "./keep";
import { isFinal } from "./outline";

/** Milliseconds between two answers while something is not final, and when all is. */
const OFTEN = 5_000;
const SELDOM = 30_000;

export interface Fresh {
  /** null until there is a first answer; then the newest there was, even if there is none now. */
  trainings: readonly Outline[] | null;
  /** Sentences: of services that can't be asked, and why there is no newer answer. */
  trouble: readonly string[];
  /** When it was last asked for; milliseconds since the epoch. */
  now: number;
}

export function pauseAfter(trainings: readonly Outline[] | null): number {
  return trainings?.every(isFinal) ? SELDOM : OFTEN;
}

export function useListing(path: string, query: Record<string, string>): Fresh {
  const [fresh, setFresh] = useState<Fresh>({ trainings: null, trouble: [], now: Date.now() });
  const latest = useRef(fresh);
  latest.current = fresh;
  const asked = JSON.stringify([path, query]);
  useEffect(() => {
    const control = new AbortController();
    let timer = 0;
    const round = async (): Promise<void> => {
      if (!document.hidden) {
        const next = await answer(path, query, latest.current, control.signal);
        if (!control.signal.aborted) setFresh(next);
      }
      if (!control.signal.aborted) {
        timer = window.setTimeout(() => void round(), pauseAfter(latest.current.trainings));
      }
    };
    const seen = (): void => {
      if (document.hidden) return;
      window.clearTimeout(timer);
      void round();
    };
    document.addEventListener("visibilitychange", seen);
    void round();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      control.abort();
      window.clearTimeout(timer);
    };
  }, [asked]);
  return fresh;
}

async function answer(path: string, query: Record<string, string>, before: Fresh, signal: AbortSignal): Promise<Fresh> {
  try {
    const listing = await get<Listing>(path, query, signal);
    return { trainings: kept(before.trainings ?? [], listing.trainings), trouble: listing.trouble, now: Date.now() };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { ...before, trouble: [error.message], now: Date.now() };
  }
}
