import type { InspectedRequest, InspectionProfile, InspectionReport } from '../../inspection/request.ts';

export interface ToWafThread {
  readonly id: number;
  readonly request: InspectedRequest;
  readonly profile: InspectionProfile;
}

export type FromWafThread =
  | {
      readonly type: 'ready';
      readonly version: string;
      readonly rules: number;
      /** Ids of rules that ask what is not to be had here. */
      readonly notEvaluated: readonly number[];
    }
  | { readonly type: 'report'; readonly id: number; readonly report: InspectionReport }
  | { readonly type: 'failed'; readonly id: number; readonly detail: string };
