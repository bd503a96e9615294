/** The Accept-Language header of a browser in mainland China. */
export const chineseBrowser = { "accept-language": "zh-CN,zh;q=0.9,en;q=0.8,en-GB;q=0.7,en-US;q=0.6" };
