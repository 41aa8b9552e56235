import manifest from '../package.json' with { type: 'json' };

/** What the agent calls itself to the control plane and in posture reports. */
export const agentVersion: string = manifest.version;
