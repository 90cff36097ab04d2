import { computed, signal } from '@preact/signals';

const key = 'studio-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
const wish = signal<string | null>(localStorage.getItem(key));

system.addEventListener('change', () => {
  systemDark.value = system.matches;
});

export const dark = computed(() => (wish.value ? wish.value === 'dark' : systemDark.value));

const show = (): void => {
  document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
};
dark.subscribe(show);

/** Light becomes dark and the other way round, from now on in this browser. */
export function switchTheme(): void {
  wish.value = dark.value ? 'light' : 'dark';
  localStorage.setItem(key, wish.value);
}
