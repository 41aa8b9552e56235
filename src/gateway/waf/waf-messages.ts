import type { InspectedRequest, InspectionProfile } from '../../inspection/request.ts';

export interface WafQuestion {
  readonly request: InspectedRequest;
  readonly profile: InspectionProfile;
}
