/** The note and the tags of a training, and the form that changes them. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { sendJson } from "../api/client";
import type { AnnotationsRequest, TrainingDetail } from "../api/types";
import { addTags, MAX_NOTE_LENGTH, tagsError } from "./tags";

interface Props {
  training: TrainingDetail;
  mayEdit: boolean;
  /** Requests the training anew. */
  onSaved: () => void;
}

export function AnnotationEditor({ training, mayEdit, onSaved }: Props): JSX.Element | null {
  const [isEditing, setIsEditing] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const { note, tags } = training;
  const close = (): void => {
    setIsEditing(false);
    requestAnimationFrame(() => button.current?.focus());
  };
  if (isEditing) return <AnnotationForm training={training} onClose={close} onSaved={onSaved} />;
  const isEmpty = note === "" && tags.length === 0;
  if (isEmpty && !mayEdit) return null;
  return (
    <div class="annotations">
      {tags.length > 0 && (
        <ul class="tags" aria-label="Tags">
          {tags.map((tag) => (
            <li key={tag}>{tag}</li>
          ))}
        </ul>
      )}
      {note && <p class="note">{note}</p>}
      {mayEdit && (
        <button type="button" class="small" ref={button} onClick={() => setIsEditing(true)}>
          {isEmpty ? "Add a note or tags" : "Edit note and tags"}
        </button>
      )}
    </div>
  );
}

interface FormProps {
  training: TrainingDetail;
  onClose: () => void;
  onSaved: () => void;
}

function AnnotationForm({ training, onClose, onSaved }: FormProps): JSX.Element {
  const [note, setNote] = useState(training.note);
  const [tags, setTags] = useState<readonly string[]>(training.tags);
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  const addTyped = (): void => {
    setTags(addTags(tags, typed));
    setTyped("");
  };
  const save = async (): Promise<void> => {
    const all = addTags(tags, typed);
    const refusal = tagsError(all);
    if (refusal !== null) return setError(refusal);
    const { dag_id, ...task } = training.ref;
    const body: AnnotationsRequest = { ...task, training_id: training.id ?? "", note: note.trim(), tags: all };
    setIsSending(true);
    try {
      await sendJson("PUT", "annotations", { dag_id }, body);
      onSaved();
      onClose();
    } catch (failure) {
      if (!(failure instanceof Error)) throw failure;
      setError(failure.message);
      setIsSending(false);
    }
  };
  return (
    <form
      class="annotations"
      aria-label="Note and tags"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label>
        Note
        <textarea
          rows={3}
          maxLength={MAX_NOTE_LENGTH}
          value={note}
          autoFocus
          onInput={(event) => setNote(event.currentTarget.value)}
        />
      </label>
      <label>
        Tags, separated by commas
        <input
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "," && (event.key !== "Enter" || typed.trim() === "")) return;
            event.preventDefault();
            addTyped();
          }}
        />
      </label>
      {tags.length > 0 && (
        <ul class="tags" aria-label="Tags">
          {tags.map((tag) => (
            <li key={tag}>
              {tag}{" "}
              <button
                type="button"
                aria-label={`Remove tag ${tag}`}
                onClick={() => setTags(tags.filter((one) => one !== tag))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {error && (
        <p class="notice notice-bad" role="alert">
          {error}
        </p>
      )}
      <div class="controls">
        <button type="submit" disabled={isSending}>
          Save
        </button>
        <button type="button" onClick={onClose}>
          Discard changes
        </button>
      </div>
    </form>
  );
}
