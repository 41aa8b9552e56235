/** One figure, beside the mark that it is held to. */
export interface Row {
  readonly what: string;
  /** Key in the JSON, with its unit. */
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** Where the figure has to stay below this. */
  readonly mark?: number;
}

/** How large the measurements are. */
export interface Scale {
  readonly ledgerEvents: number;
  readonly starts: number;
  readonly changes: number;
  readonly administrators: number;
  readonly changesEach: number;
  readonly revocations: number;
  /** Through each gateway. */
  readonly tunnels: number;
}

export const rowOf = (what: string, key: string, value: number, unit: string, mark?: number): Row => ({
  what,
  key,
  value,
  unit,
  ...(mark === undefined ? {} : { mark }),
});
