import type { FlowAnswer, FlowFilter, FlowQuery } from './flow-query.ts';
import type { SearchLimits } from './search-flows.ts';
import type { FlowPlaces } from './unarchived-records.ts';

/** To the process that searches. It is asked one thing after the other. */
export type ToSearchProcess =
  | { readonly type: 'open'; readonly places: FlowPlaces; readonly limits: SearchLimits }
  | { readonly type: 'ask'; readonly query: FlowQuery }
  /** From now on, as lines on standard output, until it is killed. */
  | { readonly type: 'follow'; readonly filter: FlowFilter };

export type FromSearchProcess =
  | { readonly type: 'answer'; readonly answer: FlowAnswer }
  | { readonly type: 'failed'; readonly message: string };
