/* docs/api.md, "Users". */
import { send } from "./client";

export interface User {
  name: string;
  admin: boolean;
  disabled: boolean;
  second_factor: boolean;
  groups: string[];
  created: string;
  changed: string;
  signed_in: string | null;
}

export interface NewUser {
  name: string;
  password: string;
  groups: string[];
  admin: boolean;
}

export interface UserChange {
  password?: string;
  groups?: string[];
  admin?: boolean;
  disabled?: boolean;
}

export const usersPath = "/api/v1/users?n=200";

export function usersOf(answer: unknown): User[] {
  return (answer as { users: User[] }).users;
}

export function userPath(name: string): string {
  return `/api/v1/users/${encodeURIComponent(name)}`;
}

export function addUser(user: NewUser): Promise<User> {
  return send("POST", "/api/v1/users", user);
}

export function changeUser(name: string, change: UserChange): Promise<User> {
  return send("PATCH", userPath(name), change);
}

export function removeUser(name: string): Promise<void> {
  return send("DELETE", userPath(name));
}

/** One's own. */
export function changePassword(name: string, old: string, fresh: string): Promise<void> {
  return send("PUT", `${userPath(name)}/password`, { old, new: fresh });
}
