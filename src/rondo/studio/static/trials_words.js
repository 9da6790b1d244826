// Texts to begin with: old, in the public domain, and full of returning lines, so that a small network learns them fast.
import { t } from "./words.js";

const SONGS = `关关雎鸠，在河之洲。窈窕淑女，君子好逑。
参差荇菜，左右流之。窈窕淑女，寤寐求之。
求之不得，寤寐思服。悠哉悠哉，辗转反侧。
参差荇菜，左右采之。窈窕淑女，琴瑟友之。
参差荇菜，左右芼之。窈窕淑女，钟鼓乐之。

桃之夭夭，灼灼其华。之子于归，宜其室家。
桃之夭夭，有蕡其实。之子于归，宜其家室。
桃之夭夭，其叶蓁蓁。之子于归，宜其家人。

采采芣苢，薄言采之。采采芣苢，薄言有之。
采采芣苢，薄言掇之。采采芣苢，薄言捋之。
采采芣苢，薄言袺之。采采芣苢，薄言襭之。

蒹葭苍苍，白露为霜。所谓伊人，在水一方。
溯洄从之，道阻且长。溯游从之，宛在水中央。
蒹葭萋萋，白露未晞。所谓伊人，在水之湄。
溯洄从之，道阻且跻。溯游从之，宛在水中坻。
蒹葭采采，白露未已。所谓伊人，在水之涘。
溯洄从之，道阻且右。溯游从之，宛在水中沚。

投我以木瓜，报之以琼琚。匪报也，永以为好也。
投我以木桃，报之以琼瑶。匪报也，永以为好也。
投我以木李，报之以琼玖。匪报也，永以为好也。

彼采葛兮，一日不见，如三月兮。
彼采萧兮，一日不见，如三秋兮。
彼采艾兮，一日不见，如三岁兮。

硕鼠硕鼠，无食我黍。三岁贯女，莫我肯顾。
逝将去女，适彼乐土。乐土乐土，爰得我所。
硕鼠硕鼠，无食我麦。三岁贯女，莫我肯德。
逝将去女，适彼乐国。乐国乐国，爰得我直。
硕鼠硕鼠，无食我苗。三岁贯女，莫我肯劳。
逝将去女，适彼乐郊。乐郊乐郊，谁之永号。
`;

const ENDS = [
  "the house that Jack built.",
  "the malt\nThat lay in",
  "the rat\nThat ate",
  "the cat\nThat killed",
  "the dog\nThat worried",
  "the cow with the crumpled horn\nThat tossed",
  "the maiden all forlorn\nThat milked",
  "the man all tattered and torn\nThat kissed",
  "the priest all shaven and shorn\nThat married",
  "the cock that crowed in the morn\nThat waked",
  "the farmer sowing his corn\nThat kept",
];
const HOUSE = ENDS.map((_, n) => `This is ${ENDS.slice(0, n + 1).reverse().join(" ")}\n`).join("\n");

export const TEXT = t(SONGS, HOUSE);
export const PRIME = t("蒹葭", "This is the cow");
