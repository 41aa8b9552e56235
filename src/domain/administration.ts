/**
 * What an administrator may do. *owner* everything; *security* devices, policies and all other resources; *helpdesk*
 * quarantine and `why`; *soc* flows, and reading; *auditor* reads all, changes nothing, and sees who read what.
 */
export const roles = ['owner', 'security', 'helpdesk', 'soc', 'auditor'] as const;
export type Role = (typeof roles)[number];

/** All of them, for what every administrator may. */
export const anyRole: readonly Role[] = roles;

/** A part of the API that a key can be narrowed to: `devices:read`, `resources:write`. */
export type Scope = `${string}:${'read' | 'write'}`;
export const scopePattern = '^[a-z][a-z-]{0,40}:(read|write)$';
