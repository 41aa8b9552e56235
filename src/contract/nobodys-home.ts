/**
 * Of the environment of processes that deliver, search and carry: a home that nobody has. Libraries look there for settings and
 * credentials of their own, which are none of ours; and they fail where the system knows no home of a user, such as one that
 * is only a number.
 */
export const nobodysHome = { HOME: '/nonexistent' } as const;
