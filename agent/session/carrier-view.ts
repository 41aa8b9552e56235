import type { PeerProblem } from '../control/problem.ts';
import type { CarrierState } from './failure.ts';

export interface Refused extends PeerProblem {
  /** Epoch milliseconds. */
  readonly at: number;
}

/** A gateway that there is a session to. */
export interface GatewayView {
  readonly name: string;
  readonly address: string;
  readonly zone?: string;
  /** Epoch milliseconds. */
  readonly since: number;
}

/** How the way to the gateway is. */
export interface CarrierView {
  readonly state: CarrierState;
  /** Why, where the state is not `connected`. */
  readonly reason?: string;
  readonly gateway?: GatewayView;
  /** Ready to take over, in another zone where there is one. */
  readonly standby?: GatewayView;
  /** Epoch seconds. */
  readonly tokenExpiresAt?: number;
  readonly certificateExpiresAt: number;
  readonly lastRefusal?: Refused;
}
