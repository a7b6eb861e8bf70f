/** A log: the end as it grows, earlier parts when the user scrolls up, and a search through all of it. */

import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { fetchJson } from "../api/client";
import type { LogChunk } from "../api/types";
import { formatBytes } from "../shared/format";
import { nextPause, pollingError, usePollingLoop } from "../shared/usePolling";
import { plainLine } from "../shared/plainText";
import { LogDownload } from "./LogDownload";
import { LogSearch } from "./LogSearch";
import {
  appendChunk,
  EMPTY_WINDOW,
  lineIndexAt,
  type LogWindow,
  MAX_WINDOW_BYTES,
  prependChunk,
  windowFromChunk,
} from "./logWindow";

/** Pixels; the style sheet has the same height. */
const LINE_HEIGHT = 18;

/** Lines that are drawn above and below the visible ones. */
const OVERSCAN_LINES = 20;

/** Bytes of one request. */
const CHUNK_BYTES = 256 * 1024;

/** Milliseconds between two requests for new lines. */
const POLL_INTERVAL = 1_500;

/** Milliseconds until a request for a part of the log fails. */
const REQUEST_TIMEOUT = 15_000;

/** How a response changes the part of the log that is held. */
type Merge = (logWindow: LogWindow, chunk: LogChunk) => LogWindow;

interface Props {
  query: Record<string, string>;
  /** Whether the training has ended: there is nothing to follow then. */
  isFinal: boolean;
}

export function LogView({ query, isFinal }: Props): JSX.Element {
  const [logWindow, setLogWindow] = useState<LogWindow>(EMPTY_WINDOW);
  const [isFollowing, setIsFollowing] = useState(true);
  const [error, setError] = useState<string | null>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 400 });
  const [foundAt, setFoundAt] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef({ logWindow, isFollowing, error });
  latest.current = { logWindow, isFollowing, error };
  const lastRequest = useRef<Promise<unknown>>(Promise.resolve());
  const pendingRequests = useRef(0);
  const pause = useRef(POLL_INTERVAL);
  const key = JSON.stringify(query);

  /** Request a part of the log, after the requests before it have ended; return whether it succeeded. */
  const load = useCallback(
    (range: Record<string, string>, merge: Merge): Promise<boolean> => {
      const request = async (): Promise<boolean> => {
        try {
          const chunk = await fetchJson<LogChunk>("log", { ...query, ...range }, AbortSignal.timeout(REQUEST_TIMEOUT));
          setLogWindow((previous) => merge(previous, chunk));
          setError(null);
          return true;
        } catch (failure) {
          setError(failure instanceof Error ? pollingError(failure) : String(failure));
          return false;
        } finally {
          pendingRequests.current -= 1;
        }
      };
      pendingRequests.current += 1;
      const result = lastRequest.current.then(request);
      lastRequest.current = result;
      return result;
    },
    [key],
  );
  const loadEnd = (): Promise<boolean> => load({ tail: String(CHUNK_BYTES) }, (_, chunk) => windowFromChunk(chunk));
  const loadNext = (): Promise<boolean> =>
    load({ offset: String(latest.current.logWindow.end), limit: String(CHUNK_BYTES) }, appendChunk);

  const follow = (follows: boolean): void => {
    setIsFollowing(follows);
    if (follows) void loadEnd();
  };

  const isLoaded = useRef(false);
  usePollingLoop(async () => {
    const { logWindow: current, isFollowing: follows, error: lastError } = latest.current;
    let succeeded = true;
    if (!isLoaded.current) succeeded = isLoaded.current = await loadEnd();
    // After a failure the request is repeated in any case, so that the message disappears when it succeeds.
    else if (lastError !== null || (follows && !current.complete))
      if (pendingRequests.current === 0) succeeded = await loadNext();
    return (pause.current = nextPause(pause.current, POLL_INTERVAL, !succeeded));
  }, key);

  useEffect(() => {
    if (isFollowing && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [logWindow, isFollowing]);

  const loadPrevious = (): void => {
    const { start: end } = latest.current.logWindow;
    const start = Math.max(0, end - CHUNK_BYTES);
    void load({ offset: String(start), limit: String(end - start) }, (previous, chunk) => {
      const joined = prependChunk(previous, chunk);
      const addedLines = chunk.end === previous.start ? joined.lines.length - previous.lines.length : 0;
      requestAnimationFrame(() => {
        if (box.current) box.current.scrollTop += addedLines * LINE_HEIGHT;
      });
      return joined;
    });
  };

  // One line of a progress bar may have more bytes than a request: without this, a few lines could not be scrolled.
  useEffect(() => {
    const { lines, start, end } = logWindow;
    const isFull = lines.length * LINE_HEIGHT >= (box.current?.clientHeight ?? 0);
    if (!isFull && start > 0 && end - start + CHUNK_BYTES <= MAX_WINDOW_BYTES && pendingRequests.current === 0)
      loadPrevious();
  }, [logWindow]);

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    setScroll({ top: element.scrollTop, height: element.clientHeight });
    const isAtEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - LINE_HEIGHT;
    if (isFollowing && !isAtEnd) setIsFollowing(false);
    const { start, end, size } = latest.current.logWindow;
    if (pendingRequests.current > 0) return;
    if (element.scrollTop < LINE_HEIGHT * 5 && start > 0 && !isAtEnd) loadPrevious();
    else if (isAtEnd && !isFollowing && end < size) void loadNext();
  };

  const scrollToByte = useCallback(
    async (byte: number): Promise<void> => {
      setIsFollowing(false);
      const show = (shown: LogWindow): void => {
        const line = lineIndexAt(shown, byte);
        setFoundAt(byte);
        requestAnimationFrame(() => {
          if (box.current) box.current.scrollTop = Math.max(0, line * LINE_HEIGHT - box.current.clientHeight / 2);
        });
      };
      const { logWindow: current } = latest.current;
      if (byte >= current.start && byte < current.end) return show(current);
      await load({ offset: String(Math.max(0, byte)), limit: String(CHUNK_BYTES) }, (_, chunk) => {
        const loaded = windowFromChunk(chunk);
        show(loaded);
        return loaded;
      });
    },
    [load],
  );

  const isFoundLoaded = foundAt !== null && foundAt >= logWindow.start && foundAt < logWindow.end;
  const foundLine = isFoundLoaded ? lineIndexAt(logWindow, foundAt) : null;
  const first = Math.max(0, Math.floor(scroll.top / LINE_HEIGHT) - OVERSCAN_LINES);
  const last = Math.min(logWindow.lines.length, Math.ceil((scroll.top + scroll.height) / LINE_HEIGHT) + OVERSCAN_LINES);
  return (
    <>
      <div class="controls">
        {isFinal ? (
          !isFollowing && (
            <button type="button" onClick={() => follow(true)}>
              Go to the end
            </button>
          )
        ) : (
          <label>
            <input
              type="checkbox"
              checked={isFollowing}
              onChange={(event) => follow(event.currentTarget.checked)}
            />
            Follow
          </label>
        )}
        <LogSearch query={query} onMatch={scrollToByte} />
        <LogDownload query={query} />
        <span class="quiet">{formatBytes(logWindow.size)}</span>
      </div>
      {error && (
        <p class="notice" role="status">
          {error}
        </p>
      )}
      <div
        class="log"
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label="Log of the training"
        aria-live="off"
      >
        <pre style={{ height: `${logWindow.lines.length * LINE_HEIGHT}px` }}>
          {logWindow.lines.slice(first, last).map((line, index) => (
            <div
              key={logWindow.starts[first + index]}
              class={first + index === foundLine ? "found" : ""}
              style={{ top: `${(first + index) * LINE_HEIGHT}px` }}
            >
              {plainLine(line)}
            </div>
          ))}
        </pre>
      </div>
    </>
  );
}
