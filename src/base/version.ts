/** The version in package.json; a test keeps them equal. Written here so that no file is read to say it. */
export const VERSION = '0.1.0';
