/** Loans that were made before this life of the analysis, rebuilt from what the journal says about limits. */

/** A limit that is not what it was: as the journal has it. */
export interface OutstandingLimit {
  readonly path: string;
  readonly originalLimitBytes: number;
  readonly presentLimitBytes: number;
}
