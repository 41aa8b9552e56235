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
