export const ROLES = ["viewer", "trader", "operator"] as const;
export type Role = (typeof ROLES)[number];

/**
 * The roles that an access token names. Only to show what its user may do: the server verifies the token, and decides.
 */
export function rolesOf(token: string): Role[] {
  try {
    const body = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(atob(body)) as { "cognito:groups"?: unknown };
    const groups = claims["cognito:groups"];
    return ROLES.filter((role) => Array.isArray(groups) && groups.includes(role));
  } catch {
    return [];
  }
}

export const mayTrade = (roles: readonly Role[]): boolean => roles.includes("trader") || roles.includes("operator");
export const mayOperate = (roles: readonly Role[]): boolean => roles.includes("operator");
