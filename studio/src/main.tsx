import { render } from 'preact';
import './style/base.css';
import './style/explore.css';
import './style/views.css';
import { start } from './state/app.ts';
import { followFocus } from './state/focus.ts';
import { App } from './views/app.tsx';

render(<App />, document.getElementById('app')!);
followFocus();
void start();
