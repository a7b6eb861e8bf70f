/** The button that cancels a training, and the dialog that asks the user to confirm. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { NoAnswerError, sendJson } from "../api/client";
import type { CancelRequest, TaskInstanceRef } from "../api/types";

interface Props {
  taskRef: TaskInstanceRef;
  trainingId: string;
  onCanceled: () => void;
}

export function CancelButton({ taskRef, trainingId, onCanceled }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [error, setError] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  const cancel = async (): Promise<void> => {
    const { dag_id, ...task } = taskRef;
    const body: CancelRequest = { ...task, training_id: trainingId };
    setIsSending(true);
    try {
      await sendJson("POST", "cancel", { dag_id }, body);
      dialog.current?.close();
      onCanceled();
    } catch (failure) {
      if (!(failure instanceof Error)) throw failure;
      const isUnknown = failure instanceof NoAnswerError;
      setError(isUnknown ? `${failure.message} It is unknown whether the training is canceled.` : failure.message);
    } finally {
      setIsSending(false);
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => dialog.current?.showModal()}>
        Cancel training
      </button>
      <dialog ref={dialog} aria-labelledby="cancel-title" onClose={() => setError(null)}>
        <h2 id="cancel-title">Cancel this training?</h2>
        <p>The command is stopped. The log and the results stored so far are kept. A task that waits for it fails.</p>
        {error && (
          <p class="notice notice-bad" role="alert">
            {error}
          </p>
        )}
        <form method="dialog">
          <button>Keep it running</button>
          <button type="button" class="danger" disabled={isSending} onClick={() => void cancel()}>
            Cancel the training
          </button>
        </form>
      </dialog>
    </>
  );
}
