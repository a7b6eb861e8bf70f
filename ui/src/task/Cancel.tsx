/** Asking for a training's end, after asking whether that is meant. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import type { TaskRef } from "../api";
import { airflowRoot } from "../listing/links";

export function Cancel({ target, id, done }: { target: TaskRef; id: string; done: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const cancel = async (): Promise<void> => {
    setBusy(true);
    const reply = await fetch(`${airflowRoot(window.location.pathname)}/dlaas/api/cancel?${new URLSearchParams({ dag_id: target.dag_id })}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...target, training_id: id }),
    }).catch(() => null);
    setBusy(false);
    if (reply?.ok) {
      dialog.current?.close();
      done();
      return;
    }
    const told = reply ? ((await reply.json().catch(() => ({}))) as { detail?: string }).detail : undefined;
    setTrouble(told ?? "Airflow could not be reached; nothing was canceled.");
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => dialog.current?.showModal()}>Cancel training</button>
      <dialog ref={dialog} aria-labelledby="cancel-title" onClose={() => setTrouble(null)}>
        <h2 id="cancel-title">Cancel this training?</h2>
        <p>Its command is stopped. What it has stored so far, and its log, stay. A task that waits for it fails.</p>
        {trouble && <p class="notice notice-bad" role="alert">{trouble}</p>}
        <form method="dialog">
          <button>Keep it running</button>
          <button type="button" class="danger" disabled={busy} onClick={() => void cancel()}>Cancel the training</button>
        </form>
      </dialog>
    </>
  );
}
