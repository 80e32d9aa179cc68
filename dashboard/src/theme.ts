import { useSyncExternalStore } from "react";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const STORED = "tickwire.theme";
const listeners = new Set<() => void>();
let version = 0;

/** The theme that was chosen; `auto` is the system's. */
export function chosenTheme(): Theme {
  const stored = localStorage.getItem(STORED);
  return THEMES.find((theme) => theme === stored) ?? "auto";
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(STORED, theme);
  applyTheme();
}

/** Show the chosen theme, from the first drawing on. */
export function applyTheme(): void {
  const theme = chosenTheme();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  version++;
  for (const listener of listeners) listener();
}

/** Changes with the theme, for what is drawn with colours and not with style sheets. */
export function useThemeVersion(): number {
  return useSyncExternalStore(subscribe, () => version);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  const system = matchMedia("(prefers-color-scheme: light)");
  system.addEventListener("change", applyTheme);
  return () => {
    listeners.delete(listener);
    system.removeEventListener("change", applyTheme);
  };
}

/** A colour of the style sheet as it is at the moment, `rgb(…)` or with an alpha below 1 `rgba(…)`. */
export function colour(token: string, alpha = 1): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${token})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return alpha === 1 ? found : found.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}
