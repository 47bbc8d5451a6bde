/** The page begins. */
import { render } from 'preact'
import { App } from './app.js'

const root = document.getElementById('page')
if (root === null) throw new Error('the page has no place for itself')
render(<App />, root)
