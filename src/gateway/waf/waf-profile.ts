import type { App } from '../../domain/resources.ts';
import type { Exclusion, InspectionProfile } from '../../inspection/request.ts';

/** How the rules are asked for an application, and what comes of it. */
export interface WafProfile extends InspectionProfile {
  readonly isBlocking: boolean;
  /** From this score on a request counts as an attack. */
  readonly threshold: number;
  /** A body whose end the rules would not see does not pass. */
  readonly refusesTooLarge: boolean;
}

const profiles = new WeakMap<App, WafProfile>();

/** An application's `waf`, with what is not said there: it detects, at the lowest level, and one critical rule is enough. */
export function profileOf(app: App): WafProfile {
  let profile = profiles.get(app);
  if (profile === undefined) {
    const {
      mode = 'detect',
      paranoia = 1,
      threshold = 5,
      exclude = [],
      whenTooLarge = 'pass',
    } = app.waf ?? {};
    profile = {
      isBlocking: mode === 'block',
      paranoia,
      threshold,
      refusesTooLarge: mode === 'block' && whenTooLarge === 'refuse',
      exclusions: exclude.map(
        ({ rules, ...rest }): Exclusion => ({
          ...rest,
          ...(rules === undefined ? {} : { rules: rules.map(String) }),
        }),
      ),
    };
    profiles.set(app, profile);
  }
  return profile;
}
