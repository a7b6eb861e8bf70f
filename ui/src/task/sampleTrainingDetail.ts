/** A training for tests. */

import type { TrainingDetail } from "../api/types";
import { sampleTraining } from "../listing/sampleTrainings";

/** A training that runs its first attempt, with *fields* replaced. */
export function sampleTrainingDetail(fields: Partial<TrainingDetail> = {}): TrainingDetail {
  return {
    ...sampleTraining({ state: "running", phase: "processing", finished_at: null, attempt: 1 }),
    description: "",
    message: null,
    errors: [],
    phases: [],
    attempts: [],
    checkpoint: null,
    resumed_from: null,
    waits_for: null,
    loading: null,
    data: null,
    usage: null,
    resources: null,
    isolation: null,
    cancel_requested: false,
    warnings: [],
    definition: {},
    results: null,
    event_folder: null,
    tensorboard: null,
    ...fields,
  };
}
